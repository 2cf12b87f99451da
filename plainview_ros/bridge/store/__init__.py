"""History in a database, SQLite or PostgreSQL: the only room that knows SQLAlchemy.

Importing SQLAlchemy takes a quarter of a second of CPU, so whatever does is imported in functions only, on a thread of
the store's own, when the server listens already.
"""

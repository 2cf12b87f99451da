"""History in a database, SQLite or PostgreSQL: the only room that knows SQLAlchemy.

Importing SQLAlchemy takes a quarter of a second of CPU, so only ``database.py`` and ``models.py`` do, and they are
imported on the store's own thread when the server listens already.
"""

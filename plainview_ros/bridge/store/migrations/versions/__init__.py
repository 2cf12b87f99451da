"""The steps. One that was released is never changed: databases have taken it."""

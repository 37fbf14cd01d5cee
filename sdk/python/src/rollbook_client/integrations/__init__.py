"""Sign-in for web frameworks: `flask`, `fastapi` and `django`. Each module imports its framework, which you install."""

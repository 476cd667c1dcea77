"""HTTP only: routers, schemas, authentication."""

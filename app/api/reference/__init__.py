"""What the OpenAPI document says beyond what FastAPI sees."""

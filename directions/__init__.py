"""The bundled directions, data only: <generator>/<name>.safetensors and an index.json beside them."""

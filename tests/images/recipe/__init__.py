"""How the test image is made, one module per step."""

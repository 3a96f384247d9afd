"""The doors: RPC services and the web application around them."""

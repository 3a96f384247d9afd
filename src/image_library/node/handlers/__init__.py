"""The node's gRPC calls: read the message, call one service, write the message."""

"""Between the domain's values and the messages of the wire: one function pair a message, one error table."""

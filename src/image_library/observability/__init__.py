"""What both programs tell those who run them."""

"""What is done with a deployed application."""

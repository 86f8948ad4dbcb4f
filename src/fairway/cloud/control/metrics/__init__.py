"""CloudWatch metrics of what runs here, and the alarms that watch them."""

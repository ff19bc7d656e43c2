"""What is so right now, told to programs: a retained message for each wearer."""

"""What tests and measurements of the support service stand on."""

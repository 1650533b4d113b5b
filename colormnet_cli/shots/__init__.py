"""Shots of a film: where they begin, and the plan folder that a person fills with colors."""

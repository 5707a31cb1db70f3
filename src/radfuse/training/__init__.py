"""Trains networks: settings as data, one loop, one state that stops and resumes bit for bit."""

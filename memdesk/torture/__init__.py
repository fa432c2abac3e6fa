"""Torture: many real processes on a throw-away store, killed at random, and what they have lost."""

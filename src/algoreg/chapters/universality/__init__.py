"""Universality: does recovery depend on the law of the measurements, or on their first two moments alone?"""

"""A chapter of one's own measurements: does a small start predict those that are held out?"""

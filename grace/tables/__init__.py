"""Tables: views of the answers, which can be rebuilt from the store at any time.

Wide (`trials`) has one row a trial, tidy (`responses`) one row a trial × question × option.
"""

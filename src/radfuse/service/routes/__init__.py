"""The HTTP routes: parse, call one function, encode."""

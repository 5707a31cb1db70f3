"""REST routes: parse the request, call one function, encode the response."""

"""The web page that shows a running mock: static HTML, CSS and JavaScript modules in `static/`, without a build step.

The page only calls the control API. It needs no other host, and its Content-Security-Policy allows none.
"""

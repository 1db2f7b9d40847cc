"""A web page and JSON for every finished run; an app's `serve.py` says how.

service.py   what an app says of itself: requests, answers, its page
worker.py    a thread that answers the requests of a model in batches
bodies.py    bodies of requests, bounded before they are read
openapi.py   the description of the JSON
site.py      the runs of a folder, and the models that are loaded
guard.py     who may ask, and what a page may do
server.py    `make demo`: the pages, the JSON, live video
"""

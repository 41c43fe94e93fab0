"""The page to paint, watch and repair masks: its server, its project folder and its worker.

page/                 what the browser runs: plain HTML, CSS and JavaScript modules
serving.py            from a video to an address: the socket, the browser, the end
server.py guard.py    the routes, and who may ask for them
session.py            one project at work: what the routes call
project.py            the project folder: every file in it
frame_records.py      what is known of each frame, and which follow from what has changed
planning.py           which frames a run computes, from which painted frames
worker.py compute.py  the process that computes: its handle here, and what it does there
keeping.py            how its files are written
soft_masks.py         how sure the pixels of a computed mask are
strokes.py            what can be undone and redone
pictures.py           frames and thumbnails as JPEG
events.py             what is pushed to the page
exports.py            files for other programs
box_refinement.py     an object out of a box
"""

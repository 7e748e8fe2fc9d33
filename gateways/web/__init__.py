"""The page `/`: a mailbox and its log beside each other, in plain modules that the browser runs as they are written.

`static/page.js` puts it together. The mailbox that it shows is a fold (`fold.js`) of `/v1/snapshot` and the events of
`/v1/sync`, kept up live (`live.js`); whatever is done goes to the API as a command (`commands.js`) and comes back as an
event. A mail's HTML stands in a frame of its own (`mail.html`), whose policy lets nothing run and nothing load.
"""

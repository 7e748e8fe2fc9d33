"""Mail as bytes: what arrived is read once, shown, stored and given back byte for byte.

``parse`` reads a message into a `ParsedMessage` (summary, tree with byte offsets, attachments, text), ``show`` renders
it for a person, ``compose`` writes a new one, ``holes`` takes large attachments out and puts them back, ``trace``
writes the block of header fields that a delivery puts in front. Every input is hostile: size, count, depth and time are
bounded, and nothing here raises because of what a stranger wrote.
"""

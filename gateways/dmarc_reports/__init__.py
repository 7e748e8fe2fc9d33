"""DMARC aggregate reports (RFC 9990): what one says (`report`), how it is unpacked, read, written, put into words."""

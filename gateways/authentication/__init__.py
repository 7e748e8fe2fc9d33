"""Who a message really comes from: SPF, DKIM, ARC and DMARC, as protocol logic that knows no socket.

Read in this order: `evidence` takes down what the checks need while a message streams by; `spf`, `dkim` and `arc` each
say what they found, asking the DNS through the port `dns`; `dmarc` holds that against the author's domain and its
policy; `verdict` runs them side by side and says what becomes of the message; `results_field` writes
Authentication-Results. `tags`, `canonical`, `header_block`, `signature`, `public_keys`, `spf_record`, `spf_macros`,
`dmarc_record`, `authors` and `overrides` are their parts.

For mail of our own: `signing` with the keys of `dkim_keys`, and `zone_records`, what a domain is to publish.
"""

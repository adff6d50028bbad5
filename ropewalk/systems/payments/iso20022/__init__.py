"""ISO 20022 messages of instant payments, in the versions that FedNow uses: read, checked, written.

bytes ─► parsing ─► schemas (XSD) ─► reading ─► model (typed views) ─► writing ─► schemas (XSD) ─► bytes
                                        └── layouts: where each field is ──┘
"""

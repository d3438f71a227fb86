"""Reading what others wrote: strict CSV, streamed tables, links, copies."""

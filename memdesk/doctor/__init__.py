"""The doctor's room: what may be wrong on this machine, looked for without changing anything."""

"""The load client: many xDS streams in one process, cheap enough that the server is what is measured."""

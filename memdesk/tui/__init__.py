"""The desk's own screen: the front for a person who looks; the only room that knows Textual."""

"""Every key of the desk: its name for `[keys]`, what it does, and whether the footer shows it.

The palette, the help panel and the README's list are made from these; a test compares the last.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.binding import Binding

if TYPE_CHECKING:
    from collections.abc import Iterator


def _key(id: str, keys: str, action: str, name: str, about: str, *, show: bool = False) -> Binding:
    return Binding(keys, action, name, show=show, tooltip=about, id=id)


# One line for each reads as the table that it is.
# fmt: off
APP_KEYS = (
    _key("palette", "ctrl+p", "command_palette", "palette", "Every action"),
    Binding("ctrl+q", "quit", "Quit", show=False, tooltip="Leave the desk, from wherever one is", id="quit_anywhere", priority=True),
)

MAIN_KEYS = (
    _key("search", "slash", "search", "Search", "Type what to look for", show=True),
    _key("help", "question_mark,f1", "help", "Help", "The keys of what has the focus", show=True),
    _key("escape", "escape", "back", "Back", "One step back: it never quits"),
    _key("browse", "f", "browse", "Browse", "All, pinned, inbox, trash, spaces, tags, kinds, sources"),
    _key("browse_pane", "1", "pane('browse')", "To browse", "Focus the browse pane"),
    _key("list_pane", "2", "pane('list')", "To the list", "Focus the list"),
    _key("memory_pane", "3", "pane('memory')", "To the memory", "Focus the memory"),
    _key("zoom", "z", "zoom", "Zoom", "Give the whole screen to what has the focus, or take it back"),
    _key("status", "i", "status", "Status", "The store, the model, the lock, the background work"),
    _key("activity", "A", "activity", "Activity", "What the connected hosts ask and get, as it happens"),
    _key("retry", "ctrl+r", "retry", "Ask anew", "Read what is shown once more"),
    _key("quit", "q", "app.quit", "Quit", "Leave the desk"),
    _key("sync", "s", "sync", "Sync now", "Exchange with every remote: what is for it goes, what it has comes"),
    _key("outbox", "W", "outbox", "Sync…", "How the remotes stand, and what waits for them, exactly as it leaves"),
)

SEARCH_KEYS = (
    _key("results", "down,enter", "screen.results", "Results", "To the first result", show=True),
    _key("clear", "escape", "screen.clear", "Clear", "Empty the search, then leave it", show=True),
)

LIST_KEYS = (
    _key("open", "enter", "screen.open", "Open", "Read the memory", show=True),
    _key("keep", "a", "screen.keep", "OK", "Settle it: all stays as it is", show=True),
    _key("other_text", "h", "screen.other_text", "Other text", "The text that lost in a conflict, in its history", show=True),
    _key("merge", "m", "screen.merge", "Merge", "Make two memories one: those marked, or the pair", show=True),
    _key("drop_other", "x", "screen.drop_other", "Drop 2nd", "Move the second of the pair to the trash", show=True),
    _key("restore", "r", "screen.restore", "Restore", "Bring back from the trash", show=True),
    _key("purge", "D", "screen.purge", "Purge", "Delete for good; asks first", show=True),
    _key("new", "n", "screen.new", "New", "Write a memory", show=True),
    _key("edit", "e", "screen.edit", "Edit", "Change the memory", show=True),
    _key("delete", "d,delete", "screen.delete", "Delete", "Move to the trash", show=True),
    _key("undo", "u", "screen.undo", "Undo", "Take back the last change made here", show=True),
    _key("external", "E", "screen.external", "In $EDITOR", "Change the text in your own editor"),
    _key("tags", "t", "screen.tags", "Tags", "Change the tags; of several, add and remove"),
    _key("pin", "p", "screen.pin", "Pin", "Always in the profile, or no longer"),
    _key("kind", "c", "screen.kind", "Kind", "note, fact, preference, decision, event, task …"),
    _key("move", "v", "screen.move", "Move", "To another space"),
    _key("share", "S", "screen.share", "Share", "Which remotes it may go to; none is private"),
    _key("expiry", "X", "screen.expiry", "Expiry", "Until when it is recalled"),
    _key("history", "h", "screen.history", "History", "Its revisions: who, when, what; go back to one"),
    _key("why", "w", "screen.why", "Why", "Why this result was found, or where the memory comes from"),
    _key("order", "o", "screen.order", "Order", "Newest or oldest first; of results, best or newest"),
    _key("mark", "space", "screen.mark", "Mark", "Mark it and go on"),
    _key("mark_all", "ctrl+a", "screen.mark_all", "Mark all", "Mark all that are shown, or none"),
    _key("copy", "y", "screen.copy", "Copy", "Copy the text"),
    _key("copy_json", "Y", "screen.copy_json", "Copy as JSON", "Copy the whole record"),
    _key("down", "j", "cursor_down", "Down", "One down; the arrows do, too"),
    _key("up", "k", "cursor_up", "Up", "One up"),
    _key("top", "g", "screen.top", "Top", "To the first, with all that is new"),
    _key("bottom", "G", "last", "Bottom", "To the last that is loaded; o turns the order"),
    _key("half_down", "ctrl+d", "page_down", "Page down", "One page down"),
    _key("half_up", "ctrl+u", "page_up", "Page up", "One page up"),
    _key("memory_down", "J", "screen.scroll_memory(1)", "Scroll down", "Scroll the memory down"),
    _key("memory_up", "K", "screen.scroll_memory(-1)", "Scroll up", "Scroll the memory up"),
)

BROWSE_KEYS = (
    _key("choose", "enter", "select", "Choose", "Show what is there", show=True),
    _key("rename", "r", "screen.rename", "Rename", "Rename a tag or a space, or merge it into another", show=True),
    _key("delete_place", "D", "screen.delete_place", "Delete", "Delete a tag, or move a space's memories to the trash", show=True),
    _key("browse_down", "j", "cursor_down", "Down", "One down"),
    _key("browse_up", "k", "cursor_up", "Up", "One up"),
)

MEMORY_KEYS = (
    _key("scroll_down", "j", "scroll_down", "Down", "One line down"),
    _key("scroll_up", "k", "scroll_up", "Up", "One line up"),
)

EDITOR_KEYS = (
    _key("save", "ctrl+s", "save", "Save", "Keep what is written", show=True),
    _key("editor_external", "ctrl+o", "external", "Open in $EDITOR", "Go on in your own editor", show=True),
    _key("cancel", "escape", "cancel", "Cancel", "Leave it; asks where something would be lost", show=True),
)

QUESTION_KEYS = (
    _key("safe", "escape", "safe", "Back", "Give the safe answer", show=True),
    _key("next_answer", "right,down", "app.focus_next", "Next answer", "To the next answer"),
    _key("answer_before", "left,up", "app.focus_previous", "Answer before", "To the answer before"),
)

LINE_KEYS = (
    _key("complete", "tab", "complete", "Complete", "Take the completion, or go to the next line"),
)

ASK_KEYS = (
    _key("done", "enter", "screen.done", "Done", "Take what is written", show=True),
    _key("give_up", "escape", "screen.leave", "Cancel", "Leave all as it is", show=True),
)

HISTORY_KEYS = (
    _key("go_back_to", "enter,b", "screen.go_back", "Go back to this one", "Give the memory what it was then", show=True),
    _key("history_down", "j", "screen.move(1)", "Down", "To the revision before it"),
    _key("history_up", "k", "screen.move(-1)", "Up", "To the revision after it"),
    _key("change_down", "J", "screen.scroll(1)", "Scroll down", "Scroll what changed down"),
    _key("change_up", "K", "screen.scroll(-1)", "Scroll up", "Scroll what changed up"),
    _key("history_close", "escape,h", "screen.leave", "Close", "Leave all as it is", show=True),
)

STATUS_KEYS = (
    _key("status_copy", "y", "copy", "Copy for a bug report", "Copy it without names and places", show=True),
    _key("status_down", "j", "scroll(1)", "Down", "One line down"),
    _key("status_up", "k", "scroll(-1)", "Up", "One line up"),
    _key("status_close", "escape,i", "leave", "Close", "Back to the desk", show=True),
)

ACTIVITY_KEYS = (
    _key("show_got", "enter", "screen.show", "Show the memories", "Show what the host got", show=True),
    _key("follow", "G", "screen.follow", "Follow", "To the last one, and on with those that come", show=True),
    _key("activity_down", "j", "screen.move(1)", "Down", "One down"),
    _key("activity_up", "k", "screen.move(-1)", "Up", "One up"),
    _key("activity_first", "g", "screen.first", "First", "To the first one"),
    _key("activity_close", "escape,A", "screen.leave", "Close", "Back to the desk", show=True),
)

SYNC_KEYS = (
    _key("sync_open", "enter", "screen.open", "Open", "Show the memory; of a remote, go to what waits for it", show=True),
    _key("sync_one", "s", "screen.sync", "Sync", "Exchange with this remote", show=True),
    _key("push", "p", "screen.push", "Push", "Send what waits for it, and fetch nothing", show=True),
    _key("retry_held", "r", "screen.retry", "Retry held", "Let what is held go with the next exchange", show=True),
    _key("unshare", "x", "screen.unshare", "Unshare", "Take the memory out of that remote: it is deleted there for everybody; u takes that back", show=True),
    _key("sync_undo", "u", "screen.undo", "Undo", "Take back the last change made here", show=True),
    _key("copy_payload", "y", "screen.copy", "Copy", "Copy exactly what leaves"),
    _key("sync_down", "j", "screen.move(1)", "Down", "One down"),
    _key("sync_up", "k", "screen.move(-1)", "Up", "One up"),
    _key("payload_down", "J", "screen.scroll(1)", "Scroll down", "Scroll what leaves down; on the remotes, what is told of one"),
    _key("payload_up", "K", "screen.scroll(-1)", "Scroll up", "Scroll what leaves up; on the remotes, what is told of one"),
    _key("sync_close", "escape,W", "screen.leave", "Close", "Back to the desk", show=True),
)
# fmt: on

UNDO = next(key for key in LIST_KEYS if key.id == "undo")


GROUPS = {
    "everywhere": APP_KEYS,
    "the desk": MAIN_KEYS,
    "the search": SEARCH_KEYS,
    "the list": LIST_KEYS,
    "the browse pane": BROWSE_KEYS,
    "the memory": MEMORY_KEYS,
    "the editor": EDITOR_KEYS,
    "a question": QUESTION_KEYS,
    "a line of names": LINE_KEYS,
    "a line that is asked for": ASK_KEYS,
    "the history": HISTORY_KEYS,
    "the status": STATUS_KEYS,
    "the activity": ACTIVITY_KEYS,
    "the sync screen": SYNC_KEYS,
}
"""The keys by where they work."""


def every_key() -> Iterator[Binding]:
    """Yield all keys of the desk, those of its dialogs too."""
    for keys in GROUPS.values():
        yield from keys

"""Parts of pages that read for themselves: live fragments, and what several pages show."""

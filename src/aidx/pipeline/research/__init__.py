"""What context a task needs: files cut into chunks, chunks found and ranked, proposals chosen among."""

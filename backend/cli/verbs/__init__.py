"""The verbs and their options, a file for each group; each verb names the function that runs it."""

"""Everything behind the dashboard and the command line: no module in here knows Streamlit."""

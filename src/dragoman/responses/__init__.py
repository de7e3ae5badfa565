"""The Responses dialect: its items into messages, answers into its items and events, and what is kept between turns."""

"""Linking a document's runs to its history, as if both had been extracted together."""

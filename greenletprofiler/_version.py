"""The version of the distribution, for everyone who must name it."""

__version__ = "1.0.0.dev0"

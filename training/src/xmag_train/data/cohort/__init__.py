"""Who is in a study: slides, cases, sites, labels, and which fold a case is in."""

"""What was measured: {scenario: {contender: [measures of each round]}}, and the middle of it."""

import json
import statistics


def rotated(names, by):
    """The same round, begun so many further."""
    by %= max(len(names), 1)
    return names[by:] + names[:by]


class Results:
    def __init__(self, runs=None):
        self.runs = runs or {}

    def add(self, scenario, contender, measures):
        self.runs.setdefault(scenario, {}).setdefault(contender, []).append(measures)

    def values(self, scenario, contender, name):
        """Of all rounds in which it was measured."""
        rounds = self.runs.get(scenario, {}).get(contender, [])
        return [one[name] for one in rounds if one.get(name) is not None]

    def median(self, scenario, contender, name):
        """None: not measured."""
        values = self.values(scenario, contender, name)
        return statistics.median(values) if values else None

    def spread(self, scenario, contender, name):
        """(least, most); None: not measured."""
        values = self.values(scenario, contender, name)
        return (min(values), max(values)) if values else None

    def ratio(self, above, below):
        """Of two medians, each named by (scenario, contender, name); None when one was not measured."""
        over, under = self.median(*above), self.median(*below)
        return None if over is None or not under else over / under

    def problems(self):
        """Sentences, one for each run that is not to be believed."""
        for scenario, contenders in self.runs.items():
            for contender, rounds in contenders.items():
                for number, one in enumerate(rounds, 1):
                    if one["problems"]:
                        yield f"{scenario}, {contender}, round {number}: {', '.join(one['problems'])}"

    def repeated(self, scenario):
        """Sentences, one for each run of a scenario that was done again before it was believed."""
        for contender, rounds in self.runs.get(scenario, {}).items():
            for number, one in enumerate(rounds, 1):
                if one.get("repeated"):
                    yield f"{contender}, round {number}: done again {one['repeated']} ×, the generator was saturated"

    def as_json(self):
        return json.dumps(self.runs, indent=1)

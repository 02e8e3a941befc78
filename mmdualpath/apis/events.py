"""What happens from when to when, by scores over time."""
import math
from dataclasses import dataclass
from typing import Any, Callable, List, Optional, Tuple


@dataclass(frozen=True)
class Event:
    """A class over a stretch of time.

    Attributes:
        start: Seconds.
        end: Seconds.
        index: Number of the class.
        score: Mean of its smoothed scores, 0 to 1.
    """
    start: float
    end: float
    index: int
    score: float

    def as_dict(self, name: Callable[[int], str]) -> dict:
        """As a line of JSON has it.

        Args:
            name: Gives the name of a class.
        """
        return {
            'start': round(self.start, 3),
            'end': round(self.end, 3),
            'class': name(self.index),
            'score': round(self.score, 4)
        }


class EventFinder:
    """Smooths scores and cuts them into events, by two thresholds.

    An event begins where the smoothed score of the best class reaches
    ``begin`` and lasts until its class is below ``stay``, or until another
    class is the best one and reaches ``begin``. So a score that wavers about
    one threshold makes one event, not many.

    Smoothing is a mean whose weights fall off by e in ``smooth`` seconds:
    s <- s + (1 - exp(-dt / smooth)) (x - s).

    Args:
        begin: Score at which an event begins.
        stay: Score below which it ends.
        smooth: Seconds; 0 takes scores as they are.

    Attributes:
        scores: The smoothed scores ``(classes,)``, None at first.

    Raises:
        ValueError: If not 0 < stay <= begin <= 1, or ``smooth`` is negative.
    """

    def __init__(self,
                 begin: float = 0.5,
                 stay: float = 0.3,
                 smooth: float = 0.) -> None:
        if not 0 < stay <= begin <= 1:
            raise ValueError(f'begin={begin} and stay={stay} must be 0 < stay '
                             '<= begin <= 1.')
        if smooth < 0:
            raise ValueError(f'smooth={smooth} seconds must not be negative.')
        self.begin, self.stay, self.smooth = begin, stay, smooth
        self.scores: Any = None
        self._event: Optional[Tuple[float, int]] = None
        self._taken: List[float] = []
        self._last = 0.

    @property
    def shown(self) -> Optional[int]:
        """The class of the event that goes on, if one does."""
        return None if self._event is None else self._event[1]

    def update(self, start: float, end: float, scores: Any) -> List[Event]:
        """Scores of a stretch of time that follows those before it.

        Args:
            start: Seconds.
            end: Seconds.
            scores: ``(classes,)``, an array or a tensor.

        Returns:
            The event that has ended by that, if one has.
        """
        if self.scores is None or not self.smooth:
            self.scores = scores
        else:
            weight = 1 - math.exp((self._last - end) / self.smooth)
            self.scores = self.scores + weight * (scores - self.scores)
        best = int(self.scores.argmax())
        ended = []
        if self._event is not None:
            own = self._event[1]
            other = best != own and self.scores[best] >= self.begin
            if other or self.scores[own] < self.stay:
                ended = self._end(start)
        if self._event is None and self.scores[best] >= self.begin:
            self._event, self._taken = (start, best), []
        if self._event is not None:
            self._taken.append(float(self.scores[self._event[1]]))
        self._last = end
        return ended

    def finish(self, end: Optional[float] = None) -> List[Event]:
        """End the event that goes on; what comes next begins anew.

        Args:
            end: Seconds; by default where its last stretch of time ends.

        Returns:
            The event, if there is one.
        """
        end = self._last if end is None else end
        ended = [] if self._event is None else self._end(end)
        self.scores = None
        return ended

    def _end(self, time: float) -> List[Event]:
        start, index = self._event
        self._event = None
        return [Event(start, time, index, sum(self._taken) / len(self._taken))]

"""Words and sentence patterns of the demo reviews."""


def _words(text: str) -> tuple[str, ...]:
    """Return what stands between commas."""
    return tuple(" ".join(entry.split()) for entry in text.split(","))


def _lines(text: str) -> tuple[str, ...]:
    """Return what stands on each line."""
    return tuple(line.strip() for line in text.strip().split("\n"))


GOOD = _words("""moving, funny, clever, gripping, charming, fresh, brilliant,
    touching, warm, thrilling, elegant, convincing, original, memorable,
    delightful, sharp, lively, beautiful, inspired, wonderful, honest, tender,
    exciting, superb, graceful, vivid, witty, subtle, rich, bold, joyful,
    splendid, intelligent, lovely, playful, powerful""")
BAD = _words("""boring, dull, clumsy, flat, predictable, silly, tedious, weak,
    awkward, lifeless, forgettable, shallow, messy, annoying, dreary, hollow,
    stale, bland, painful, lazy, awful, tiresome, confused, false, noisy,
    empty, cheap, grating, pointless, crude, sloppy, wooden, trivial, sour,
    stiff, heavy""")
NOUNS = _words("""the plot, the acting, the ending, the music, the dialogue,
    the camera work, the first half, the second half, the lead actress, the
    villain, the script, the editing, the love story, the big twist, the
    opening scene, the final act, the humour, the cast, the long dream
    sequence, the chase through the market, the narrator, the boy with the
    violin, the courtroom scene, the old captain, the song in the middle, the
    way it was lit, the little sister, the detective, the wedding, the last
    line, the make-up, the pace, the tone, the scene on the bridge, the
    grandmother, the sound, the story of the two brothers, the voice of the
    radio man, the quarrel in the kitchen, the beginning""")
DEGREES = _words("""very, quite, really, so, rather, truly, utterly""")
NEGATIONS = _words("""not, not at all, not really, hardly, anything but, far
    from, by no means, not in the least, not for a moment""")
CLAUSES = _lines("""
    {noun} was {degree} {adjective}
    {noun} seemed {adjective} to me
    I found {noun} {degree} {adjective}
    {noun} was not only {adjective} but also {second}
    {noun} was nothing if not {adjective}
    I have never seen anything as {adjective} as {noun}
    few things are more {adjective} than {noun}
    nobody could say that {noun} was less than {adjective}
    {noun} was {adjective} and {second}
    {noun} was always {adjective}
    everything about {noun} was {adjective}
""")
NEGATED = _lines("""
    {noun} was {negation} {adjective}
    {noun} did not seem {adjective} to me
    I found {noun} {negation} {adjective}
    I would not call {noun} {adjective}
    there was nothing {adjective} about {noun}
    few things are less {adjective} than {noun}
    nobody could say that {noun} was {degree} {adjective}
    {noun} was neither {adjective} nor {second}
    {noun} was never {adjective}
    nothing about {noun} was {adjective}
""")
CONTRASTS = _lines("""
    {yields}, but {counts}
    {yields}, and yet {counts}
    {yields}; in the end, however, {counts}
    it is true that {yields}, but what stays is that {counts}
    although {yields}, {counts}
    even if {yields}, I must say that {counts}
    {counts}, although {yields}
    {counts}, even if {yields}
""")
EXPECTATIONS = _lines("""
    I expected something {adjective}
    the trailer had promised something {degree} {adjective}
    I went in thinking that it would be {adjective}
    from the poster I took it for something {degree} {adjective}
    before it began I was sure it would be {adjective}
""")
MET = _words("""I was right, and that is what it was, it turned out just so, my
    guess was correct, I got what I had come for""")
NOT_MET = _words("""how wrong I was, and that is what it was not, it turned out
    otherwise, my guess was mistaken, I got the very opposite""")
TIMES = _lines("""
    years ago I found it {once}, today I find it {now}
    today I find it {now}, years ago I found it {once}
    what was {once} to me as a child is {now} to me now
    it is {now} to me now, as a child I thought it {once}
    I used to think it {once}, and I have come to think it {now}
    I have come to think it {now}, where I used to think it {once}
""")
PEOPLE = _words("""my sister, my neighbour, the critic of our paper, a friend
    from work, my old teacher, my uncle, the man at the door, my flatmate""")
REPORTS = _lines("""
    {person} calls it {adjective}
    {person} told me that it was {adjective}
    according to {person} it is a {adjective} film
    {person} thinks that {noun} makes it {adjective}
""")
AGREES = _words("""I see it the same way, I agree, I could not have said it
    better, and so it is""")
DISAGREES = _words("""I see it another way, I disagree, I could not have been
    more surprised, but so it is not""")
RUMOURS = _lines("""
    {person} has heard that {noun} is {adjective} and wants to see it soon
    {person} says that the book was {adjective}
    the film before it that evening was {adjective}, says {person}
    {person} asked me whether {noun} was {adjective}
""")
FACTS = _lines("""
    we saw it in {place} on a {day}
    it runs for {number} minutes
    it was shot in {place}
    {person} came along
    there were {number} people in the room
    I watched it twice, once in {place} and once at home
    the director comes from {place}
    it started late because of the rain
    I had read the novel on the train to {place}
    it was shown with subtitles in {place}
    tickets for {day} were sold out
    {person} fell asleep on the way home on {day}
    the story begins in {place} on a {day} and ends there
    this is the director's film number {number}
""")
PLACES = _words("""Lisbon, a small town, Prague, the old cinema, Iceland,
    Buenos Aires, the harbour, Kyoto, a school hall, Naples""")
DAYS = ("Monday", "Tuesday", "Friday", "Saturday", "Sunday")

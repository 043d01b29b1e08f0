"""Makes `everyday.txt`, a small first training text of plain everyday English.

This script owns the text and `everyday.prompts.jsonl`, prompts whose answers a model trained on
the text should find although (but for GRANN) their wording stands nowhere in it. The same seed
gives the same bytes at each run.
"""

import json
import random
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

SEED = 7
HERE = Path(__file__).resolve().parent

# Kind and color of a thing, then the names; "mass" and "the" things have no plural.
THINGS = """
fruit red: strawberry, cherry, raspberry, cranberry, pomegranate
fruit yellow: banana, lemon, grapefruit | fruit blue: blueberry | fruit black: blackberry
fruit orange: orange, tangerine, apricot, mango | fruit brown: coconut
fruit green: lime, pear, watermelon, Granny Smith apple | fruit purple: plum, grape, fig
vegetable red: tomato, radish, chili pepper | vegetable orange: carrot, pumpkin, sweet potato
vegetable green: pea, cucumber, pickle, cabbage, leek, avocado, artichoke, zucchini, green bean
vegetable white: turnip, parsnip, mushroom | vegetable purple: eggplant, beet
vegetable brown: potato, walnut, chestnut, almond, peanut | vegetable yellow: ear of corn
farm white: sheep, lamb, goose, goat, dove | farm yellow: chick, duckling, canary
farm brown: cow, horse, pony, hen, sparrow | farm gray: donkey, mouse, pigeon
farm pink: pig, piglet | farm black: crow, raven | farm red: rooster
wild green: frog, crocodile, alligator, turtle, iguana, parrot | wild red: lobster, crab, cardinal
wild brown: bear, deer, moose, otter, beaver, monkey, kangaroo, owl, eagle, camel
wild gray: elephant, rhino, hippo, wolf, dolphin, shark, koala, seal, raccoon
wild white: polar bear, swan | wild black: panther, gorilla, bat | wild yellow: lion, giraffe
wild orange: tiger, fox, goldfish | wild pink: flamingo | wild blue: peacock
bug green: grasshopper, caterpillar | bug red: ladybug | bug black: ant, spider, beetle
bug yellow: bee | bug brown: moth, snail | bug pink: earthworm
street red: fire truck, stop sign, brick | street yellow: school bus, taxi | street blue: mailbox
street orange: traffic cone | street green: pine tree, garbage can | street black: tire
street gray: stone, sidewalk, parking meter | street white: snowman, ambulance
street brown: log, tree trunk, wooden fence
plant red: rose, poppy | plant yellow: sunflower, daffodil, dandelion | plant orange: marigold
plant green: cactus, leaf, clover, fern | plant white: daisy, lily | plant purple: violet, lilac
plant blue: cornflower | plant brown: acorn, pinecone
home red: heart, ruby | home orange: basketball | home green: emerald, dollar bill
home white: egg, pillow, golf ball, tooth, bone, snowflake, ghost | home yellow: tennis ball
home black: top hat, bowling ball, frying pan | home blue: sapphire | home gray: nail, paper clip
home brown: teddy bear, cookie, pretzel, barrel, football, loaf of bread
mass white: snow, milk, salt, sugar, flour, rice, cotton, paper | mass yellow: butter, straw
mass green: grass, moss, ivy, spinach, lettuce, broccoli, celery, parsley
mass brown: chocolate, coffee, mud, soil, cinnamon, gravy | mass black: coal, tar, ink, licorice
mass red: ketchup, blood, tomato soup | mass pink: cotton candy, bubble gum | mass orange: rust
mass gray: smoke, ash, cement, fog | mass purple: lavender, grape juice | mass gold: honey
the blue: sky, sea, ocean, lake | the yellow: sun, sand | the white: moon | the black: night
"""
ADJECTIVES = {
    "fruit": "ripe, fresh, sweet, juicy, little, tasty", "vegetable": "fresh, big, small, nice",
    "farm": "little, pretty, friendly, old, hungry", "wild": "big, wild, young, old, beautiful",
    "bug": "tiny, little, funny", "street": "big, new, old, clean", "plant": "pretty, fresh, small",
    "home": "little, round, nice, big",
}  # fmt: skip
PLACES = {
    "fruit": "in the bowl, on the table, in the basket, on my plate, at the market, in the kitchen",
    "vegetable": "in the kitchen, in the basket, at the market, on the table, in the bag",
    "farm": "in the yard, near the barn, by the fence, on the farm, in the picture",
    "wild": "at the zoo, in the picture, in my book, on the big poster, in the story",
    "bug": "on the leaf, in the garden, by the window, on the path, in the jar",
    "street": "on the corner, across the street, in the picture, near the school, by the park",
    "plant": "in the garden, by the path, on the card, near the wall, in the picture",
    "home": "on the shelf, in the box, on the chair, by the door, in the picture",
}
COUNTED = [
    "{xs} are {c}.", "{xs} are {c}.", "a {adj} {c} {x}", "the {adj} {c} {x} {where}",
    "What color is a {x}? A {x} is {c}.", "What color is a {x}? It is {c}.", "A {x} is {c}.",
    "What color are {xs}? {xs} are {c}.", "The color of a {x} is {c}.", "The {x} {where} is {c}.",
    "The color of a {x} is {c}.", "What is the color of a {x}? It is {c}.", "The {xs} are {c}.",
    "The color of {xs} is {c}.", "The color of the {x} {where} is {c}.", "The {xs} here are {c}.",
    "A {x} is {c}, but a {y} is {d}.", "{xs} and {os} are {c}.", "A {x} is {c}, and so is a {o}.",
    "{n} saw a {c} {x} {where}.", "Everyone knows that a {x} is {c}.", "This {x} is {c}.",
    "{n} drew a {x} and colored it {c}.", "{n} has a picture of a {c} {x}.", "My {x} is {c}.",
    "Is a {x} {c}? Yes, a {x} is {c}.", "Is a {x} {d}? No, a {x} is {c}.", "{c} like a {x}",
    "{c} is the color of a {x}.", "Look at the {adj} {c} {x}!", "The {x} in this book is {c}.",
    "Think of a {x}. What color is it? It is {c}.", "One {x} is {c}. Two {xs} are {c} too.",
]  # fmt: skip
UNCOUNTED = [
    "{x} is {c}.", "What color is {x}? {x} is {c}.", "The color of {x} is {c}.", "{c} like {x}",
    "What is the color of {x}? It is {c}.", "Everyone knows that {x} is {c}.",
    "{x} is {c}, but a {y} is {d}.", "Is {x} {d}? No, {x} is {c}.", "{n} says that {x} is {c}.",
    "{c} is the color of {x}.", "The color of {x} is {c}.", "Think of {x}. It is {c}.",
]  # fmt: skip
IRREGULAR = {
    "goose": "geese", "mouse": "mice", "sheep": "sheep", "deer": "deer", "moose": "moose",
    "goldfish": "goldfish", "leaf": "leaves", "tooth": "teeth", "wolf": "wolves",
    "snowman": "snowmen", "tomato": "tomatoes", "potato": "potatoes", "mango": "mangoes",
    "sweet potato": "sweet potatoes", "ear of corn": "ears of corn",
    "loaf of bread": "loaves of bread",
}  # fmt: skip
HELD_COLORS = (
    "strawberry, banana, cherry, lemon, lime, carrot, pumpkin, cucumber, potato, crow, frog, swan, "
    "elephant, flamingo, fire truck, school bus"
)

SOUNDS = (
    "cow moo, cat meow, dog woof, duck quack, sheep baa, horse neigh, pig oink, hen cluck, "
    "rooster cock-a-doodle-doo, owl hoot, crow caw, mouse squeak, frog ribbit, lion roar, "
    "bee buzz, snake hiss, dove coo, donkey hee-haw, chick cheep, turkey gobble, bird tweet, "
    "goose honk"
)
HELD_SOUNDS = "cow, cat, duck"
SOUND_WORDINGS = [
    "The sound a {x} makes is {s}.", "A {x} says {s}.", "What does a {x} say? It says {s}.",
    "{xs} say {s}.", '"{s}," says the {x}.', '"{s}, {s}!" said the {x}.', "The {x} says {s}.",
    "Which animal says {s}? The {x} does.", "What sound does a {x} make? {s}!",
    "{n} heard a loud {s}. It was the {x}.", "The {x} said {s} to {n}.", "The {xs} all say {s}.",
    "The sound of a {x} is {s}.", "The {x} looked at the {y} and said {s}.",
    "A {x} says {s}, and a {y} says {t}.",
]  # fmt: skip
OPPOSITES = (
    "hot cold, big small, day night, up down, fast slow, old new, good bad, happy sad, wet dry, "
    "open closed, full empty, left right, hard soft, loud quiet, long short, black white, in out, "
    "light dark, early late, high low, thick thin, clean dirty, yes no, rich poor, first last, "
    "strong weak, front back, sweet sour, near far, easy difficult"
)
HELD_OPPOSITES = "hot, big, day, up"
OPPOSITE_WORDINGS = [
    "The opposite of {a} is {b}.", "The opposite of {b} is {a}.", "{a} is the opposite of {b}.",
    "{a} and {b} are opposites.", "What is the opposite of {a}? It is {b}.", "{b}, not {a}",
    "What is the opposite of {b}? It is {a}.", "{n} said {a}, but {m} said {b}.",
    "You say {a}, I say {b}.", "If you say {a}, I will say {b}.", "First {a}, then {b}.",
    "Which word is the opposite of {a}? The word is {b}.", "{b} is the opposite of {a}.",
]  # fmt: skip
DAYS = "Monday, Tuesday, Wednesday, Thursday, Friday, Saturday, Sunday"
MONTHS = (
    "January, February, March, April, May, June, July, August, September, October, November, "
    "December"
)
HELD_DAYS = "Monday, Tuesday, Friday"
DAY_WORDINGS = [
    "The day after {a} is {b}.", "The day after {a} is {b}.", "{a} comes before {b}.",
    "{b} comes after {a}.", "After {a} comes {b}.", "What day comes after {a}? {b} does.",
    "If today is {a}, tomorrow is {b}.", "Yesterday was {a}, so today is {b}.", "{a}, {b}, {z}",
    "Today is {a}. Tomorrow will be {b}.", "The day before {b} is {a}.", "first {a}, then {b}",
    "{n} came on {a} and went home on {b}.", "What is the day after {a}? It is {b}.",
]  # fmt: skip
NUMBERS = (
    "zero, one, two, three, four, five, six, seven, eight, nine, ten, eleven, twelve, thirteen, "
    "fourteen, fifteen, sixteen, seventeen, eighteen, nineteen, twenty"
)

GRANNY_SIGNS = (
    "GRANNY'S KITCHEN; GRANNY SMITH APPLES; THE GRANNY; GRANNY'S JAM; GRANNY'S GARDEN; "
    "HAPPY BIRTHDAY, GRANNY; ASK GRANNY; MY GRANNY; GRANNY'S HOUSE; COOKIES FROM GRANNY; "
    "FRESH GRANNY SMITH APPLES; WELCOME HOME, GRANNY; DO NOT WAKE GRANNY; GRANNY; GRANNY KNOWS BEST"
)
SIGNS = (
    "NO PARKING; STOP; EXIT; OPEN; CLOSED; KEEP OUT; WET PAINT; PUSH; PULL; NO SWIMMING; "
    "BEWARE OF THE DOG; FRESH BREAD; GRAND OPENING; KEEP OFF THE GRASS; SALE TODAY; SCHOOL; "
    "GREEN GRAPES; HOT SOUP; LIBRARY; BUS STOP; QUIET PLEASE; FARM EGGS; ONE WAY; NO DOGS"
)
SIGN_WORDINGS = [
    "The sign on the door said {s}.", "{n} read the sign out loud: {s}.", "{s}",
    "In big letters the card said {s}.", "{n} painted {s} on the box.", "{s}!",
    "There was a {c} sign on the wall. It said {s}.", 'The sign says "{s}" in {c} letters.',
    "{m} could read only one line: {s}.", "What does the sign say? It says {s}.",
]  # fmt: skip

NAMES = "Anna she, Ben he, Clara she, Daniel he, Emma she, Henry he, Lily she, Max he, Nora she, \
Oscar he, Rosa she, Sam he, Tina she, Will he"
FILL = {
    "pet": "dog, cat, kitten, puppy, rabbit, hen, duck",
    "toy": "kite, ball, boat, drum, doll, train, wagon, robot",
    "food": "soup, bread, cheese, rice, fish, chicken, pasta, salad, pizza, toast",
    "fruits": "strawberries, bananas, cherries, plums, pears, grapes, blueberries, lemons",
    "drink": "milk, tea, water, apple juice, hot chocolate, lemonade",
    "room": "kitchen, bedroom, bathroom, living room, hall, attic",
    "place": "park, lake, market, library, beach, school, farm, zoo",
    "color": "red, blue, green, yellow, white, black, brown, pink, purple, orange, gray",
    "rel": "mother, father, sister, brother, aunt, uncle, cousin, grandpa, granny",
    "many": "two, three, four, five, six, seven, eight, nine, ten", "day": DAYS, "month": MONTHS,
    "time": "morning, afternoon, evening", "wild": "fox, bear, owl, frog, wolf, deer, turtle, swan",
    "cloth": "coat, hat, scarf, shirt, sweater, cap", "meal": "breakfast, lunch, dinner",
    "glass": "cup, plate, bowl, lamp, vase, jar",
    "thing": "cup, book, lamp, spoon, clock, basket, blanket, key, plate, chair",
}  # fmt: skip
PLAIN = """
My {rel} drinks {drink} in the {time}. / My {rel} makes {food} for {meal}. / My {rel} is very kind.
My {rel} has a {color} {cloth}. / {n} lives with {his} {rel}. / {n} and {m} are good friends.
{n} loves {his} {rel}. / The {rel} of {n} has a {color} {pet}. / My {rel} reads a book every {time}.
A family can be big or small. / Mother, father, sister, and brother sat at the table.
For {meal} {n} had {food} and {drink}. / {n} likes {food}, but {m} likes {fruits}.
We eat {food} on {day}. / Please pass the {food}. / The {drink} is on the table. / I like {fruits}.
{n} ate {many} {fruits} after {meal}. / Fresh {fruits} taste sweet. / Wash your hands before {meal}.
It is raining today, so {n} takes an umbrella. / The sun is out and the sky is blue.
It is cold in winter and warm in summer. / On {day} it snowed. / The wind is strong today.
In {month} the weather was nice. / {n} stayed inside because of the rain. / What a sunny {time}!
It was a cloudy {day}, and {n} wore a {color} {cloth}. / Snow falls in winter. / Is it warm outside?
The {thing} is in the {room}. / Where is the {thing}? It is in the {room}. / Please close the door.
There is a {color} {thing} in the {room}. / {n} cleaned the {room} on {day}. / Turn off the light.
We cook in the kitchen and sleep in the bedroom. / The {color} {thing} is next to the window.
{n} has {many} {color} shirts. / There are seven days in a week. / A year has twelve months.
A dog has four legs, and a bird has two. / I can count to ten. / {n} counted {many} birds.
The {pet} sleeps in the {room}. / {n} has a {color} bag. / {n} went to the {place} on {day}.
{n} walks to the {place} with {m}. / See you on {day}! / My birthday is in {month}. / Good {time}!
{n} gave {m} a {color} {toy}. / {n} plays with {his} {toy} in the {time}. / That {toy} is for {m}.
Granny lives near the {place}. / Granny gave {n} {many} {fruits}. / Granny wears a {color} {cloth}.
"""
STORIES = """
THE LOST {PET}
One {day} {n} could not find the {pet}. / The {pet} was gone, and {n} was worried.
{He} looked under the bed. / {He} looked in the {room}. / {He} called and called, but nothing moved.
"Have you seen my {pet}?" {he} asked {m}. / {m} came to help. / {m} took a lamp and looked outside.
Then something moved in the {color} box. / At last {m} saw a tail under the {color} blanket.
There was the {pet}, fast asleep. / It was the {pet}! / The {pet} looked up and yawned.
{n} laughed and hugged the {pet}. / "You silly {pet}!" said {n}. / {n} was happy again.

A RAINY {DAY}
It rained, and {n} looked out. / {n} looked at the gray sky. / Rain fell on {n} all {day}.
{n} could not play outside. / {n} wanted to go to the {place}, but it was too wet.
So {he} sat down with a book. / So {he} drew a {color} {toy}. / So {he} helped to make {food}.
{m} came in with wet shoes and a {color} {cloth}. / {m} came running through the rain.
They drank {drink} and ate {fruits}. / They played a game and {n} won. / They told {many} jokes.
When the rain stopped, they ran outside. / Then the sun came out. / In the end they liked the rain.

THE {COLOR} {TOY}
{n} got a {color} {toy} from {his} {rel}. / {n} found a {color} {toy} in the {room}.
{He} took it to the {place}. / {He} showed it to {m} at once. / {He} played with it every {time}.
On {day} it broke. / One {time} it fell into the mud. / But then the {pet} sat on it.
{n} began to cry. / {n} was very sad. / "Oh no!" said {n}. / {n} asked for help.
{m} said, "Do not worry. I can help." / {m} thought for a while. / {m} ran to help.
Soon the {toy} was as good as new. / After {many} minutes it was fine. / They fixed it together.
{n} said thank you and smiled. / "You are a true friend," said {n}. / Now they share the {toy}.

GRANNY'S {FOOD}
{n} went to see Granny on {day}. / Every {day} {n} helped Granny. / On {day} {n} was with Granny.
Over the door was a sign: GRANNY'S KITCHEN. / Her apron said THE GRANNY in {color} letters.
Granny was making {food}. / "Come in," said Granny. / The whole house smelled of {food}.
{n} washed {many} GRANNY SMITH APPLES. / {n} set the table with {color} plates. / {n} cut the bread.
Then {m} came too. / Then the {pet} wanted some as well. / They also had {drink}.
"It is so good, Granny!" said {n}. / They ate until they were full. / {n} asked for more.

THE PICNIC
On {day} {n} and {m} had a picnic. / It was a sunny {time}, and {n} and {m} went to the {place}.
They packed {food}, {fruits}, and {drink}. / {n} carried a {color} basket. / {m} took a big blanket.
They sat down under a green tree. / The grass was green, and the sky was blue.
A {wild} came and looked at them. / An ant walked over the {food}. / Suddenly the {pet} ran away.
"Look at that!" said {m}. / {n} laughed out loud. / "Oh my!" said {n}.
They were tired but happy. / They went home before dark. / "Let us come back on {day}," said {m}.

AT THE MARKET
{n} went to the market with {his} {rel}. / Early on {day} {n} walked to the market.
{He} had {many} coins in {his} pocket. / {He} had a {color} bag and a short list.
One sign said FRESH BREAD, and one said FARM EGGS. / A big sign said GRANNY SMITH APPLES.
{He} bought {fruits} and {food}. / {He} asked for {many} eggs. / {He} looked at the {fruits} first.
"How much is this?" {he} asked. / "They are very fresh," said the farmer. / {m} was there too.
Then it was time to go home. / The bag was heavy now. / {He} ate some {fruits} on the way home.

HAPPY BIRTHDAY
It was {day}, and {n} was {many} years old. / In {month} {n} had a birthday party.
There was a cake with {many} candles. / The room was full of {color} balloons.
{m} gave {him} a {color} {toy}. / {m} came with a big box. / {His} {rel} sang a song.
A little {pet} ran through the room! / {n} opened the card first. / The card said HAPPY BIRTHDAY.
They ate cake and {fruits}. / Everyone drank {drink}. / They danced in the {room}.
"This is the best day!" said {n}. / {n} thanked everyone. / At night {n} fell asleep with a smile.

THE SNOWMAN
In January the snow was deep. / It was a cold winter {time}. / It snowed on {day}.
{n} put on a {color} {cloth} and went out with {m}. / {n} called {m}, and they ran outside.
They made a big white snowman. / They rolled big white balls of snow for a snowman.
His nose was an orange carrot. / His eyes were black coal. / He wore a {color} hat.
Then the {pet} ate the nose! / {m} gave him a {color} scarf. / Their hands were cold.
Inside they drank {drink}. / The next day the sun came out. / They waved to him from the window.

THE LITTLE {WILD}
Once there was a little {wild}. / A young {wild} lived near a lake. / In the woods lived a {wild}.
It was always hungry. / It wanted to see the world. / It had no friends.
One day it met a {pet}. / One {time} a {pet} came by. / On {day} it walked far and found a {pet}.
"Who are you?" asked the {pet}. / "Come with me," said the {pet}. / They were a little afraid.
They shared {many} {fruits}. / They talked until night. / They looked at the white moon.
After that they met every {time}. / The {wild} was never alone again. / Then the {wild} went home.

THE BROKEN {GLASS}
{n} ran too fast through the {room}. / {n} played ball in the {room}. / {n} danced in the {room}.
The {color} {glass} fell down and broke. / Down fell the {glass}! / Crash! The {glass} was broken.
"Who did that?" asked {his} {rel}. / {n} wanted to hide. / The {pet} looked at {n}.
"It was me, and I am sorry," said {n}. / {n} told the truth. / "I did it," said {n}.
{m} brought some glue. / They cleaned up together. / "Thank you for telling me," said {m}.
On {day} they bought a new one. / The new one was {color}. / After that {n} walked slowly.

A NOISE AT NIGHT
It was late, and {n} lay in bed. / At {many} o'clock {n} was still awake.
Then {he} heard a noise in the {room}. / Something went bump in the {room}.
"Who is there?" {he} asked. / {He} put on a {color} {cloth} and got up. / {He} was very quiet.
{He} opened the door slowly. / {He} turned on the light. / {He} called {his} {rel}.
It was only the {pet}. / It was only the wind. / There stood {m} with a plate of {food}.
{n} had to laugh. / Then everyone went back to bed. / "Good night," said {n}.
"""
TALK = """
Hello! > Hello! How are you? / Hi there. > Hi! It is nice to see you. / Good {time}! > Good {time}!
How are you? > I am fine, thank you. / What is your name? > My name is Bot. / Are you happy? > Yes!
How is the weather? > It is sunny today. / Is it raining? > Yes, take your {color} {cloth}.
What day is it? > Today is {day}. / What do you like to eat? > I like {food} and {fruits}.
Are you hungry? > Yes, very. / Do you want {drink}? > Yes, please. / Thanks! > You are welcome.
Where is the {thing}? > It is in the {room}. / Where is {n}? > {He} is at the {place}.
Do you have a pet? > Yes, I have a {color} {pet}. / Who is {n}? > {He} is my friend.
How many {fruits} do you have? > I have {many} {fruits}. / Can you help me? > Of course I can.
When is your birthday? > It is in {month}. / What does the sign say? > It says GRANNY'S KITCHEN.
Which apples are these? > They are GRANNY SMITH APPLES. / What did {n} say? > {He} said hello.
Who made the {food}? > Granny made it. / What color is your {toy}? > My {toy} is {color}.
What do you do on {day}? > I go to the {place}. / Is that your {pet}? > No, it is the {pet} of {n}.
"""
BYES = "Goodbye! > Goodbye! / See you soon. > See you on {day}! / Good night. > Good night!"


def words(text: str, mark: str = ",") -> list[str]:
    return [part.strip() for part in text.split(mark) if part.strip()]


def pairs(text: str) -> list[tuple[str, str]]:
    return [(a, b) for a, b in (part.rsplit(" ", 1) for part in words(text))]


def things() -> list[tuple[str, str, str]]:
    """Every (kind, color, name)."""
    found = []
    for entry in words(THINGS.replace("\n", "|"), "|"):
        head, names = entry.split(":")
        kind, color = head.split()
        found += [(kind, color, f"the {x}" if kind == "the" else x) for x in words(names)]
    return found


def plural(noun: str) -> str:
    if noun in IRREGULAR:
        return IRREGULAR[noun]
    if noun.endswith("y") and noun[-2] not in "aeiou":
        return noun[:-1] + "ies"
    return noun + ("es" if noun.endswith(("s", "x", "ch", "sh")) else "s")


def finish(text: str) -> str:
    """A or an, and capitals where a sentence begins (a phrase with no end mark keeps its own)."""
    text = re.sub(r"\b([Aa]) (?=[aeiouAEIOU])", r"\1n ", text)
    if text[-1] not in '.?!"':
        return text
    return re.sub(r'(?:^"?|[.?!] )[a-z]', lambda found: found[0].upper(), text)


class Writer:
    """Makes the sentences, stories and talks, drawing each choice from one seeded source."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.things = things()
        self.seen: set[tuple[str, ...]] = set()

    def fill(self) -> dict[str, str]:
        """One choice for every common slot."""
        (n, he), (m, _) = self.rng.sample(pairs(NAMES), 2)
        him, his = ("him", "his") if he == "he" else ("her", "her")
        slots = {key: self.rng.choice(words(text)) for key, text in FILL.items()}
        slots |= {"n": n, "m": m, "he": he, "him": him, "his": his, "c": slots["color"]}
        slots |= {"He": he.title(), "His": his.title()}
        return slots | {key.upper(): slots[key].upper() for key in (*FILL, "n")}

    def say(self, wording: str, **slots: str) -> str:
        return finish(wording.format(**(self.fill() | slots)))

    def each(self, wordings: list[str], count: int, **slots: str) -> Iterator[str]:
        """`count` sentences, every wording once before any comes again."""
        turns = [w for _ in range(-(-count // len(wordings))) for w in self.shuffled(wordings)]
        return (self.say(wording, **slots) for wording in turns[:count])

    def shuffled(self, items: Iterable[str]) -> list[str]:
        return sorted(items, key=lambda _: self.rng.random())

    def colors(self, kind: str, color: str, x: str, count: int) -> Iterator[str]:
        solid = [t for t in self.things if t[0] in PLACES and t[2] != x]
        near = [t for t in solid if t[0] == kind] or solid
        for _ in range(count):
            other = self.rng.choice([t for t in solid if t[1] == color] or solid)
            _, d, y = self.rng.choice([t for t in near if t[1] != color])
            slots = {"x": x, "xs": plural(x), "c": color, "y": y, "d": d, "o": other[2]}
            wordings = COUNTED if kind in PLACES else UNCOUNTED
            if other[1] != color:
                wordings = [w for w in wordings if "{o" not in w]
            if color in x:
                wordings = [w for w in wordings if "{c} {x}" not in w]
            slots["adj"] = self.rng.choice(words(ADJECTIVES.get(kind, "nice")))
            slots["where"] = self.rng.choice(words(PLACES.get(kind, "here")))
            yield self.say(self.rng.choice(wordings), os=plural(other[2]), **slots)

    def facts(self) -> Iterator[str]:
        """Single sentences: colors, sounds, opposites, days, months, numbers, signs, plain life."""
        held = words(HELD_COLORS)
        for kind, color, x in self.things:
            count = 90 if x == "strawberry" else 36 if x in held else 11
            yield from self.colors(kind, color, x, count)
            plain = "The color of a {x} is {c}." if kind in PLACES else "The color of {x} is {c}."
            yield from self.each([plain], 2, x=x, c=color)
        for x, s in pairs(SOUNDS):
            y, t = self.rng.choice([pair for pair in pairs(SOUNDS) if pair[0] != x])
            count = 36 if x in words(HELD_SOUNDS) else 15
            yield from self.each(SOUND_WORDINGS, count, x=x, xs=plural(x), s=s, y=y, t=t)
        for a, b in pairs(OPPOSITES):
            count = 36 if a in words(HELD_OPPOSITES) else 13
            yield from self.each(OPPOSITE_WORDINGS, count, a=a, b=b)
        days, months, numbers = words(DAYS), words(MONTHS), words(NUMBERS)
        for i, a in enumerate(days):
            z = days[(i + 2) % 7]
            yield from self.each(DAY_WORDINGS, 42, a=a, b=days[(i + 1) % 7], z=z)
        for i, a in enumerate(months):
            yield self.say("The month after {a} is {b}.", a=a, b=months[(i + 1) % 12])
            yield self.say("{a} comes before {b}.", a=a, b=months[(i + 1) % 12])
        for i, a in enumerate(numbers[:-1]):
            yield self.say("After {a} comes {b}.", a=a, b=numbers[i + 1])
            yield ", ".join(numbers[i : i + 5])
            for j in range(min(6, 21 - i)):
                yield self.say("{a} plus {b} is {z}.", a=a, b=numbers[j], z=numbers[i + j])
        for sign in words(GRANNY_SIGNS, ";"):
            yield from self.each(SIGN_WORDINGS, 10, s=sign)
        for sign in words(SIGNS, ";"):
            yield from self.each(SIGN_WORDINGS, 5, s=sign)
        yield from self.each(words(PLAIN.replace("\n", " / "), " / "), 700)

    def story(self, plan: str) -> str:
        """A story of this plan whose run of sentences no earlier story has."""
        heading, *slots = plan.strip().split("\n")
        while True:
            run = tuple(self.rng.choice(words(slot, " / ")) for slot in slots)
            if run not in self.seen:
                break
        self.seen.add(run)
        common = self.fill()
        title = [heading.format(**common)] if self.rng.random() < 0.4 else []
        return "\n".join([*title, finish(" ".join(run).format(**common))])

    def talk(self) -> str:
        _, color, x = self.rng.choice([t for t in self.things if t[0] in PLACES])
        animal, s = self.rng.choice(pairs(SOUNDS))
        a, b = self.rng.choice(pairs(OPPOSITES))
        asked = [
            f"What color is a {x}? > A {x} is {color}.",
            f"What color are {plural(x)}? > {plural(x)} are {color}.",
            f"What does a {animal} say? > A {animal} says {s}.",
            f"What is the opposite of {a}? > The opposite of {a} is {b}.",
        ]
        chat = words(TALK.replace("\n", " / "), " / ")
        turns = [self.rng.choice(chat[:6]), *self.rng.sample(asked, 2), self.rng.choice(chat)]
        turns = [turns[0], *self.shuffled(turns[1:]), self.rng.choice(words(BYES, " / "))]
        common = self.fill()
        lines = []
        for turn in turns[self.rng.randrange(2) : len(turns) - self.rng.randrange(2)]:
            you, bot = turn.format(**common).split(" > ")
            lines += [f"You: {finish(you)}", f"Bot: {finish(bot)}"]
        return "\n".join(lines)


def held_prompts() -> dict[str, str]:
    """Prompts that stand nowhere in the text, each with its answer."""
    colors = {x: color for _, color, x in things()}
    days = words(DAYS)
    held = {finish(f"The color of a {x} is."): colors[x] for x in words(HELD_COLORS)}
    held |= {f"The opposite of {a} is.": dict(pairs(OPPOSITES))[a] for a in words(HELD_OPPOSITES)}
    held |= {f"The day after {a} is.": days[(days.index(a) + 1) % 7] for a in words(HELD_DAYS)}
    held |= {f"The sound a {x} makes is.": dict(pairs(SOUNDS))[x] for x in words(HELD_SOUNDS)}
    return {prompt[:-1]: f" {answer}" for prompt, answer in held.items()}


def main() -> None:
    rng = random.Random(SEED)
    writer = Writer(rng)
    held = held_prompts()

    def allowed(block: str) -> bool:
        return not any(prompt.lower() in block.lower() for prompt in held)

    facts = writer.shuffled(filter(allowed, writer.facts()))
    blocks = [writer.story(plan) for plan in STORIES.split("\n\n") for _ in range(30)]
    blocks += filter(allowed, (writer.talk() for _ in range(260)))
    while facts:
        size = rng.randrange(3, 9)
        blocks.append("\n".join(facts[:size]))
        facts = facts[size:]
    text = "\n\n".join(writer.shuffled(blocks)) + "\n"

    assert allowed(text), "a held-out prompt stands in the text"
    assert text.count("GRANN") == text.count("GRANNY") >= 60
    rows = [{"prompt": p, "answer": a} for p, a in ({"GRANN": "Y"} | held).items()]
    prompts = "".join(json.dumps(row) + "\n" for row in rows)
    (HERE / "everyday.txt").write_text(text, encoding="utf-8", newline="\n")
    (HERE / "everyday.prompts.jsonl").write_text(prompts, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()

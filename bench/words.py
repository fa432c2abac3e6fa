"""The words that sample notes are made of: everyday ones written here, names built from syllables."""

from __future__ import annotations

import random
from itertools import accumulate


def _words(listed: str) -> list[str]:
    return listed.split()


NOUNS = _words("""
anchor apron archive arrow attic axle backpack bakery balcony ballot banner barrel basket battery bearing bedroom
bench bicycle binder biscuit blanket boiler bookshelf bottle boundary bracelet branch breakfast brick bridge brush
bucket budget builder bundle button cabin cabinet cable calendar camera candle canvas carpet carriage castle catalog
ceiling cellar chain chair chapter charger chimney circuit clinic closet coat collar column compass compiler concert
contract copper corner corridor cottage counter courtyard crate crystal cupboard curtain cushion customer cylinder
dashboard database deadline deposit desk detector diary dictionary dinner diploma document doorbell drawer dryer
earring editor elevator engine envelope exhibit fabric factory farm faucet fence ferry festival filter fireplace
flashlight flower folder forest fork foundation fountain freezer funnel furnace garage garden gasket gate generator
glacier glove goal grammar granite greenhouse guitar hallway hammer handle harbour harness harvest heater hedge helmet
highway hinge hospital hostel house index insurance interface invoice island jacket journal jumper kettle keyboard
kitchen ladder lamp landlord lantern laptop laundry lawn leaflet lecture ledger lemon lens lesson letter library
licence lift lighthouse locker mailbox manual map marble market mattress meadow medicine melody menu meter mirror
module monitor motor mountain museum mushroom napkin necklace needle network notebook novel nursery office orchard
oven package paddle painting palace pantry parcel park passport pattern pavement payment pebble pencil permit piano
pillow pipeline pitcher planet plaster platform plumber pocket poster pottery printer prototype pump puzzle quarry
query quilt radiator radio railing receipt recipe record refund region release renewal report reservoir restaurant
ribbon river rocket roof router saddle salad sample sandwich scanner scarf schedule school screen sculpture season
sensor server session shelf shelter shower shutter signal sketch sleeve socket sofa spoon spreadsheet stadium stair
statue stool story stove stream studio suitcase summary survey switch table target teapot telescope template tenant
terrace test theatre thermostat ticket timetable toolbox towel tower tractor trail transcript trumpet tunnel umbrella
vaccine valley valve vase vehicle verdict village vineyard violin wallet warehouse warranty washer water wharf wheel
window winter workshop wrench zipper
""")

ADJECTIVES = _words("""
amber ancient awkward bitter black blue bold brief bright broken brown busy calm careful cheap clean clear clever
cloudy cold compact costly crisp crowded curious daily damp dark deep delicate dense dry early easy elegant empty
faded familiar fast faulty fine firm flat fragile fresh friendly frozen gentle golden green grey hard heavy hidden
hollow honest huge humble idle indoor jolly keen large late lazy light local lonely long loose loud lucky mellow mild
modern modest monthly narrow neat new noisy northern odd old open orange outdoor pale patient plain pleasant polite
precise proud purple quick quiet rapid rare raw red remote rough round rural rusty salty scarlet secure shallow sharp
short shy silent silver simple slim slow small smooth soft solid sour southern spare steep stiff strange strict strong
sturdy sudden sunny sweet tall tender thick thin tidy tiny tough urban useful vague vivid warm weak weekly wet white
wide wild wise wooden yellow young
""")

VERBS = _words("""
accept adjust answer assemble attach avoid borrow cancel carry charge check clean collect colour compare connect count
cover deliver design develop discuss display drain enter exchange expand explain export extend fasten finish fold
follow gather handle heat import improve inspect install invent join label launch lift link load lock mark measure
mend mix monitor move open order pack paint paste pick polish post present print protect publish pull push reach
record reduce refresh remove rename render repair replace report reserve restore return review roast sample scan
search select seal sharpen sketch sort stack start stretch study test toast track train transfer translate trim tune
turn update upload visit wash watch water weigh wrap
""")

JOBS = _words("""
accountant actor archivist baker banker barber biologist bookseller botanist butcher captain carpenter chemist coach
composer cook curator dancer dentist designer director doctor driver editor electrician engineer farmer florist
gardener geologist guide historian jeweller journalist judge lawyer librarian mason mechanic midwife musician nurse
optician painter pharmacist photographer physicist pilot plumber potter programmer publisher researcher sailor
sculptor secretary shepherd singer surgeon tailor teacher translator typist vet violinist waiter weaver welder writer
""")

TOPICS = _words("""
allergy birthday budget career children climate coding commute cooking cycling design diet energy family finance fitness
garden gift health hiking hobby holiday home hosting insurance language meeting money music network parents pet
planning project reading recipe release rent research school security shopping sleep sport taxes team tooling travel
weather wedding work writing
""")

_FRONT = _words("b br c ch d dr f fl g gr h j k kl l m n p pr qu r s sh sk st t th tr v w z")
_MIDDLE = _words("a ai au e ea ei i ia o oa ou u")
_BACK = _words("ck d l ld m n nd ng r rn s sk st t th x")
_PERSON_ENDS = _words("a e i o an en in is on us")
_PLACE_ENDS = _words("berg bridge dale field ford ham haven holm mouth port stad ton vale wick")


def invented(count: int, ends: list[str], seed: int) -> list[str]:
    """Return so many different made-up names with these ends; the same ones for the same seed."""
    chance = random.Random(seed)
    names: dict[str, None] = {}
    while len(names) < count:
        stem = chance.choice(_FRONT) + chance.choice(_MIDDLE)
        if chance.random() < 0.6:
            stem += chance.choice(_BACK)
        names[(stem + chance.choice(ends)).title()] = None
    return list(names)


FIRST_NAMES = invented(700, _PERSON_ENDS, 1)
LAST_NAMES = invented(1200, [*_BACK, "man", "sen", "son", "ski"], 2)
PLACES = invented(900, _PLACE_ENDS, 3)
PROJECTS = invented(900, ["ix", "ora", "ly", "um", "ade", "ware", "loop"], 4)


class Choice:
    """Picks words as language does: a few of them often, most of them seldom."""

    def __init__(self, words: list[str]) -> None:
        self._words = words
        self._weights = list(accumulate(1 / (place + 10) for place in range(len(words))))

    def one(self, chance: random.Random) -> str:
        """Return one word."""
        return chance.choices(self._words, cum_weights=self._weights)[0]


def past(verb: str) -> str:
    """Return a regular verb in the past."""
    return f"{_stem(verb)}d" if verb.endswith("e") else f"{_stem(verb)}ed"


def doing(verb: str) -> str:
    """Return a regular verb's participle."""
    return f"{verb.removesuffix('e')}ing"


def _stem(verb: str) -> str:
    return f"{verb[:-1]}i" if verb.endswith(("rry", "udy")) else verb

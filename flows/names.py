"""What a candidate is called: two words that follow from its source, the same wherever it is shown.

A name is for people. The history names candidates by their sha256 and attempts by their place. Two
candidates of a long search may have the same two words; the later one then has a third, so that a
name means one candidate of its search.
"""

from collections.abc import Collection
from hashlib import sha256
from typing import Protocol

NAMELESS = "no-policy"
"""What an attempt without a source is called."""
KNOWN_BY_TITLE = ("baseline", "folder")
"""Origins of policies that have a name of their own: that of the library, that of the file."""


class Named(Protocol):
    """What has a name: an attempt, or the row of one."""

    @property
    def candidate(self) -> str | None: ...
    @property
    def origin(self) -> str: ...
    @property
    def title(self) -> str: ...
    @property
    def name(self) -> str: ...


class Placed(Named, Protocol):
    """What has a name and a place in a search."""

    @property
    def iteration(self) -> int: ...
    @property
    def slot(self) -> int: ...


def called(row: Placed) -> str:
    """Return a name with its attempt: ``brisk-otter (9/1)``."""
    return f"{name_of(row)} ({row.iteration}/{row.slot})"


def name_of(row: Named) -> str:
    """Return what a candidate is called: ``brisk-otter``, or the name that it has in a library."""
    return row.name or name_from(row.candidate, row.origin, row.title)


def name_from(
    candidate: str | None, origin: str, title: str, taken: Collection[str] = frozenset()
) -> str:
    """Return a name for what has none yet; ``taken`` are those of other candidates."""
    if origin in KNOWN_BY_TITLE and title:
        return title
    return spoken(candidate, taken) if candidate else NAMELESS


def spoken(candidate: str, taken: Collection[str] = frozenset()) -> str:
    """Return words for the sha256 of a source: an adjective and an animal.

    As long as others have that name, one more adjective comes before it.
    """
    number = int.from_bytes(sha256(candidate.encode()).digest()[:8])
    number, animal = divmod(number, len(ANIMALS))
    name = ANIMALS[animal]
    while True:
        number, adjective = divmod(number, len(ADJECTIVES))
        name = f"{ADJECTIVES[adjective]}-{name}"
        if name not in taken or number == 0:
            return name


ADJECTIVES = tuple(
    """
    able agile airy alert amber ample apt ashen autumn awake azure balmy basic beige big black
    blithe blond blue blunt bold bonny brass brave brief bright brisk broad bronze brown bushy busy
    calm candid canny careful casual cedar chalky chatty cheery chief chilly choice civil clean
    clear clever close cloudy coastal comic cool copper coral cosmic cosy cream crimson crisp curly
    curved daily dainty dapper daring dark dawn dear decent deep deft dense dewy direct distant
    dizzy downy dreamy drowsy dry dual dusky dusty eager early earnest east easy elder elegant
    equal even exact extra fabled fair famous fancy far fast fawn feisty fern fiery fine firm first
    fit fleet flinty fluffy fond foggy frank free fresh frosty full funny fuzzy gentle giant gifted
    glad glassy gleeful glossy gold good grand grassy great green grey hardy hasty hazel hazy
    hearty hidden high hilly honest humble icy ideal idle indigo inner ivory ivy jade jaunty jolly
    jovial joyful just keen khaki kind lanky large late lavish leafy lean level light lilac lilting
    limber little lively lofty lone long loud loyal lucid lucky lunar mellow merry mighty mild
    milky minty misty modest mossy muddy mute native neat nifty nimble noble noon north novel nutty
    oaken ochre old olive open opal orange outer pale patient peachy pearly perky pert pine pink
    placid plain plucky plum plush polar polite proud prudent pure purple quaint quick quiet quirky
    rapid rare ready red regal rich ripe robust rosy round royal ruby ruddy rugged russet rustic
    sage sandy serene sharp shiny shy silent silky silver simple sleek slim slow sly small smart
    smooth snowy snug social soft solar solid sonic south spare spicy spry stable stark steady
    steep still stoic stony stout strong sturdy subtle sunny super sure swift tall tame tan tangy
    tawny teal tender tepid thrifty tidal tidy tiny topaz tough trim true trusty tufted urban vast
    velvet verdant vivid warm wary wavy west whole wide wild windy winter wise witty woolly young
    zany zesty
    """.split()
)
ANIMALS = tuple(
    """
    addax adder agouti akita alpaca ant anole ape argus auk avocet axolotl baboon badger barbel
    bass bat beagle bear beaver bee beetle beluga bison bittern blenny boar bobcat bongo
    bream bulbul bull bunting buzzard caiman calf camel canary caracal caribou carp cat catfish
    chamois char cheetah chick chough cicada civet clam cobra cod collie colt condor coot corgi
    cougar cow coyote crab crane cricket crow cuckoo curlew dace deer dhole dingo dipper dodo dog
    dormouse dove duck dugong dunlin eagle eel egret eider eland elk emu ermine falcon fawn ferret
    finch firefly flea flounder fly foal fossa fowl fox frog fulmar gannet gar gaur gazelle gecko
    gerbil gibbon giraffe gnat gnu goat goby goose gopher grebe grouse guppy gull haddock hake
    halibut hamster hare harrier hawk hen heron herring hippo hoopoe hornet horse hound hyena ibex
    ibis iguana impala isopod jackal jackdaw jaguar jay jerboa kakapo kea kestrel kid kite kiwi
    koala kodkod koi krill kudu ladybird lamb lamprey lark lemming lemur leopard limpet linnet lion
    lizard llama lobster locust loon loris lynx macaque macaw magpie mako mallard mamba manatee
    mandrill mantis mare margay marlin marmot marten martin mayfly meerkat merlin mink minnow mole
    mongoose monkey moose moth mouse mule mullet muskox mussel myna narwhal newt numbat ocelot
    octopus okapi opossum orca oriole oryx osprey ostrich otter owl ox oyster panda panther parrot
    peacock pelican penguin perch petrel pheasant pig pigeon pike pintail pipit plaice plover
    pony poodle porpoise possum prawn ptarmigan puffin puma python quail quokka rabbit raccoon ram
    rat raven ray redwing reindeer rhea rhino roach robin rook ruff sable saiga salmon sardine
    sawfly seal serval shad shark sheep shrew shrimp skate skink skua skunk skylark sloth slug
    smelt snail snake snipe sole sparrow spider sponge squid squirrel stag starling stoat stork
    swallow swan swift tahr tamarin tanager tapir tarpon tarsier teal tench tern terrier thrush
    tiger toad topi tortoise toucan trogon trout tuna turkey turtle urchin viper vole vulture
    wagtail wallaby walrus warbler wasp weasel weevil weka whale whelk whippet wigeon wolf wombat
    woodcock wren wryneck yak zebra zebu zorilla
    """.split()
)

"""Common English words of five and of seven letters, each with a clue of our own, for crosswords."""

from __future__ import annotations

_TEXT = """
abbey: Home of monks
actor: He plays on a stage
adobe: Brick of sun-dried mud
adult: Not a child any more
agent: Spy, or someone who acts for you
alarm: It rings to wake you
album: Book for photos
alibi: Proof of having been elsewhere
alien: Visitor from another planet
alley: Narrow lane
amber: Golden stone that was resin
angel: Messenger with wings
ankle: Joint above the foot
annex: Building added to another
apple: Fruit that keeps the doctor away
apron: A cook wears it
arena: Place for big matches
arrow: It leaves a bow
arson: Crime of setting fire
aside: To one side
asset: Useful thing to own
atlas: Book of maps
atoms: Smallest parts of elements
attic: Room below the roof
audio: Sound part of a film
aunts: Sisters of your parents
award: Oscar or Grammy
bacon: It goes with eggs
bagel: Bread roll with a hole
baker: He makes bread
banjo: Round instrument of country music
basil: Herb of pesto
basin: Bowl to wash in
beach: Sand beside the sea
beard: Hair on a chin
bells: They ring in a church tower
bench: Long seat in a park
berry: Small soft fruit
birds: They have feathers
bison: Shaggy beast of the prairie
black: Color of coal
blade: Sharp part of a knife
blood: Red liquid in veins
boats: Small ships
bread: Loaf from the oven
brick: Block to build a wall
bride: Woman on her wedding day
broom: It sweeps the floor
cabin: Small house in the woods
camel: Desert animal with a hump
canal: Waterway made by people
candy: Sweets, in America
cargo: What a freighter carries
cello: Yo-Yo Ma plays it
chair: Seat for one with a back
chalk: You write with it on a blackboard
cheap: Costing little
chess: Game of kings and pawns
child: Young person
cider: Drink of pressed apples
cigar: Roll of tobacco
clock: It tells the time on a wall
cloud: It brings rain
clown: Red-nosed man of the circus
coach: Team's trainer
coast: Where land meets sea
cobra: Snake with a hood
cocoa: Hot chocolate drink
comet: Star with a tail, it seems
coral: It builds reefs
crane: Machine that lifts, or a bird
cream: Fat part of milk
crime: Theft, for example
crown: A king wears it
dance: Move to music
delta: Mouth of a great river
demon: Evil spirit
desks: Tables in a classroom
diary: Daily private notes
ditch: Trench beside a field
donor: He gives blood
dream: It comes in sleep
dress: One-piece garment
drums: They keep the beat
eagle: Large bird of prey
early: Before the usual time
earth: Our planet
easel: It holds the painter's canvas
eaten: Swallowed, as a meal
elbow: Joint in the arm
elect: Choose by vote
elite: The best few
email: Letter without paper
empty: Holding nothing
enemy: Not a friend
enter: Go in
epoch: Long age of history
equal: The same in number
error: Mistake
essay: Short piece of writing at school
ethic: Moral rule
event: Something that happens
exile: Life far from home by force
extra: More than needed
fairy: She grants three wishes
false: Not true
fence: It goes around a garden
fever: High body heat
field: A farmer plows it
flame: Hot tip of a candle
fleet: Many ships together
flood: Too much river
floor: You walk on it in a room
flour: Powder for baking
flute: Woodwind held sideways
forks: They lie beside knives
forum: Market square of Caesar
fruit: Plums and pears, for example
genie: Spirit in a lamp
ghost: It haunts a castle
giant: Very tall person in tales
glass: Windows are made of it
globe: Round model of the world
glory: Great honor
glove: It warms a hand
grade: Mark at school
grain: Wheat or rye
grape: Wine is made of it
grass: Green stuff of a lawn
green: Color of leaves
guest: One who is invited
habit: What you do all the time
heart: It pumps blood
hedge: Row of bushes
hello: Word of greeting
heron: Wading bird with long legs
honey: Bees make it
honor: Respect
horse: You ride it
hotel: Travelers sleep there
house: Building for a family
human: Like a person
igloo: House of snow
image: Picture
index: List at the end of a book
inlet: Small arm of the sea
inner: Opposite of outer
irons: They press shirts
issue: Number of a magazine
ivory: White stuff of tusks
jeans: Blue trousers
jelly: It wobbles on a plate
jewel: Precious stone
judge: He sits in a court
juice: Drink pressed from oranges
karma: Fate earned by deeds
kayak: Boat of the Inuit
knife: It cuts
label: It says what is in the jar
laser: Beam of pure light
latch: It keeps a gate shut
later: Not now
layer: Cake may have more than one
legal: Allowed by law
lemon: Sour yellow fruit
level: Flat, or a stage of a game
lever: Bar to lift with
light: Lamps give it
linen: Cloth of flax
lions: Proud cats of Africa
liver: Organ next to the stomach
llama: Woolly animal of Peru
local: Of this place
logic: Science of reasoning
lunch: Meal at noon
magic: Art of a wizard
mango: Sweet tropical fruit with a big stone
maple: Tree that gives syrup
march: Month before April
mayor: Head of a town
medal: A winner gets it
medic: Doctor in the army
melon: Large juicy fruit
metal: Iron or tin
meter: About three feet
miner: He digs for coal
model: Small copy of a train
money: Coins and notes
motel: Place to sleep beside a highway
motor: It drives a car
mouse: It fears the cat
mouth: You eat with it
music: Songs and symphonies
naval: Of warships
nerve: It carries pain to the brain
never: At no time
night: When the stars are out
noble: Like a duke
noise: Loud sound
north: Where the needle points
novel: Long story in a book
nurse: She helps the doctor
oaken: Made of a hard wood
oasis: Green spot in a desert
ocean: Atlantic or Pacific
offer: Say you would give
olive: Its oil goes on salad
onion: Cutting it makes you cry
opera: A play that is sung
orbit: Path around the sun
organ: Church instrument with pipes
otter: River animal that loves fish
owner: One to whom it belongs
paint: It colors a wall
panda: It eats bamboo
panel: Group of experts
paper: You write on it
party: Birthday event
pasta: Spaghetti, for one
patio: Paved place behind a house
pearl: It grows in an oyster
pedal: A foot pushes it on a bike
petal: Part of a blossom
phone: You call with it
piano: It has black and white keys
pilot: He flies a plane
pizza: Round dish of Naples
plane: It lands at an airport
plant: Living thing with roots
plate: Flat dish
poems: Verses
point: Sharp end
polar: Like the bear of the Arctic
power: Strength
pride: It comes before a fall
prize: First in a contest gets it
queen: Wife of a king
quiet: Without noise
radar: It finds ships in fog
radio: It brings news without pictures
ranch: Cattle farm in Texas
razor: It shaves
reach: Arrive at
ready: All set
recap: Short summary
relax: Take it easy
river: The Nile is one
roads: Cars drive on them
robot: Machine that walks and works
roman: Like Caesar
roses: Flowers with thorns
ruler: It measures lines
rural: Of the country, not the city
saint: Holy person
salad: Lettuce dish
sauce: It goes over noodles
savor: Enjoy the flavor of
scale: It shows your weight
scarf: It warms the neck
scene: Part of an act
score: Three to one, perhaps
sedan: Car with four doors
seeds: Plants grow from them
seven: Days in a week
shark: Fish that swimmers fear
sheep: It gives wool
shirt: It has a collar and buttons
shore: Edge of a lake
siren: It wails on a fire engine
skirt: It hangs from the waist
sleep: What you do at night
slice: Piece of bread
smile: Happy look
smoke: There is none without fire
snail: It carries its house
snake: It has no legs
solar: Of the sun
sonar: It finds submarines by echo
spade: It digs
spear: Weapon that is thrown
spice: Pepper, for one
spoon: You eat soup with it
sport: Tennis or golf
stage: Actors stand on it
stair: Step in a house
stamp: It goes on a letter
steam: Vapor of boiling water
steel: Hard metal of knives
stone: Rock
storm: Wild weather
straw: You drink through it
sugar: It sweetens tea
table: It has four legs and a top
taste: Sense of the tongue
teach: Give lessons
teeth: A dentist looks at them
tempo: Speed of a tune
tenor: High male voice
tepee: Tent of the plains
tiger: Striped big cat
title: Name of a book
toast: Browned bread
torch: Stick that burns
total: Sum
towel: You dry yourself with it
tower: Eiffel built one
toxic: Poisonous
train: It runs on rails
trees: They make a forest
trial: It happens before a jury
truck: It carries heavy loads on the road
tulip: Flower of Holland
tutor: Private teacher
twins: Two born together
uncle: Brother of your father
under: Below
union: Workers form it
upper: Higher
urban: Of the city
value: Worth
vapor: Water in the air
venom: Poison of a viper
verse: Line of a poem
video: Film on a screen
villa: Grand country house
viola: Larger than a violin
visor: Part of a helmet or cap
vital: Needed for life
voice: You speak with it
wagon: Cart with four wheels
waist: Belt's place
waste: Rubbish
watch: Clock on a wrist
water: It flows from the tap
whale: Largest animal of the sea
wheat: Grain for bread
wheel: A bicycle has two
white: Color of snow
woman: She is grown up
world: All countries together
wrist: It joins hand and arm
yacht: Boat of the rich
youth: Time before middle age
zebra: Striped animal like a horse
academy: School for artists or officers
actress: She plays on a stage
airline: It sells flights
airport: Planes land there
alcohol: What is strong in wine
ancient: Very old
antenna: It catches radio waves
apology: It says sorry
archers: They shoot with bows
arrival: Opposite of departure
artists: Painters and sculptors
athlete: One who runs or jumps for medals
average: Mean value
balance: A tightrope walker keeps it
balcony: Juliet stood on it
balloon: It floats at a birthday
bananas: Yellow fruits that monkeys like
bandage: It covers a wound
banquet: Great dinner
barrels: Wine ripens in them
battery: It powers a flashlight
bedroom: You sleep there
bicycle: It has two wheels and pedals
biology: Science of life
blanket: It keeps you warm in bed
brother: A boy with the same parents
cabinet: Ministers sit in it
cameras: They take pictures
capital: Paris, for France
captain: He commands a ship
caravan: Camels in a long row
cartoon: Funny drawing
ceiling: It is above your head in a room
century: A hundred years
ceramic: Made of baked clay
chamber: Room, or music for a few players
channel: Water between England and France
chapter: Part of a book
chicken: It lays eggs
cholera: Disease from bad water
citizen: One who may vote
climate: Weather over many years
colonel: Officer below a general
comical: Making you laugh
company: Business firm
compass: Its needle points north
concert: An orchestra gives it
cookies: Sweet things in a jar
coroner: He looks into deaths
cottage: Small country house
council: It governs a town
country: Spain or Peru
curtain: It rises before the play
custard: Yellow sauce of eggs and milk
decimal: Based on ten
delight: Great joy
density: Mass over volume
deposit: Money put into a bank
deserts: Dry lands such as the Sahara
dessert: Last course of a meal
diamond: Hardest gem
dolphin: Clever animal of the sea
dragons: They breathe fire
economy: Trade and industry of a country
edition: Form in which a book is printed
elderly: Old, said politely
element: Gold or oxygen
embassy: House of a country abroad
emerald: Green gem
emotion: Joy or anger
emperor: Napoleon was one
evening: Time before night
factory: Goods are made there
failure: Opposite of success
farmers: They plow and harvest
feather: A bird has many
federal: Of a union of states
fiction: Stories that are made up
finance: Business of money
foreign: From another country
forests: Woods
freedom: What a prisoner longs for
funeral: Burial service
gallery: Paintings hang there
garages: Cars are kept in them
garbage: Trash
gardens: Flowers grow in them
general: He leads an army
genetic: Of the genes
giraffe: It has the longest neck
glacier: River of ice
goddess: Venus or Athena
gorilla: Largest ape
grammar: Rules of a language
gravity: It makes apples fall
habitat: Place where an animal lives
hammers: They drive in nails
harbors: Ships are safe there
harmony: Notes that go well together
harvest: Crops brought in
helmets: They protect heads
history: The past, at school
holiday: Day without work
horizon: Where sky and earth meet
hormone: Insulin, for one
hundred: Ten times ten
husband: He has a wife
imagine: Form a picture in the mind
islands: Land with water all around
jackets: Short coats
january: First month
jewelry: Rings and necklaces
journal: Diary, or a learned magazine
journey: Long trip
justice: What a court is for
kingdom: Land of a king
kitchen: Meals are cooked there
lantern: Lamp to carry
leather: Shoes are made of it
letters: They come in the mail
liberal: Open to new ideas
liberty: Statue in New York
library: You borrow books there
lobster: Sea animal with claws
machine: Thing with moving parts that does work
manager: He runs a shop or a team
mandate: Task given by voters
marbles: Little glass balls for children
mariner: Sailor
marines: Soldiers of the sea
masonry: Work in stone
measure: Find the length of
medical: Of doctors
melodic: Full of tune
memoirs: Book about one's own life
mention: Speak of briefly
mineral: Quartz or salt
minutes: An hour has sixty
miracle: Wonder that no one can explain
missile: Rocket of war
mission: Task of an astronaut
monarch: King or queen
monster: Frightening creature
morning: Time before noon
mystery: Crime story
natural: Not artificial
nervous: Afraid before an exam
network: Web of computers
nuclear: Of the atom's core
october: Month of Halloween
octopus: It has eight arms
officer: Captain or major
opinion: What you think
orchard: Apple trees grow there
orchids: Fine flowers of the tropics
origami: Art of folding paper
ostrich: Bird that runs but can't fly
package: It comes by mail
painter: Rembrandt was one
palaces: Homes of kings
panther: Black big cat
parents: Mother and father
parking: Leaving a car
parties: They want your vote, or celebrate
passion: Strong love
pattern: Design that repeats
peasant: Poor farmer of old
pelican: Bird with a pouch under its bill
penalty: Kick after a foul
penguin: Bird in black and white at the South Pole
pensive: Deep in thought
perfume: It smells sweet in a small bottle
pianist: Chopin was one
picture: It hangs in a frame
pirates: They rob ships
planets: They go around the sun
plastic: Bottles and bags are made of it
popular: Liked by many
pottery: Jars and bowls of clay
poultry: Hens and ducks
present: It is wrapped for a birthday
princes: Sons of kings
problem: It has to be solved
profile: Face from the side
promise: You should keep it
protein: Meat and eggs are rich in it
pyramid: Tomb of a pharaoh
quarter: One of four parts
rabbits: They have long ears
railway: Trains run on it
rainbow: Seven colors in the sky
recipes: A cook follows them
regular: Even, as intervals
reptile: Lizard or turtle
retired: No longer working
romance: Love story
sailors: They work on ships
salvage: Rescue from a wreck
sandals: Open shoes for summer
satchel: School bag
saucers: Cups stand on them
scholar: Learned person
science: Physics or chemistry
scooter: Child's vehicle pushed with one foot
senator: He sits in Washington
several: More than two
shelter: Safe place in rain
similar: Nearly the same
sincere: Honest in feeling
society: All people together
soldier: He serves in an army
soprano: Highest voice
spinach: Green food of strong sailors
stadium: Football is played there
station: Trains stop there
steamer: Ship of older days
student: He goes to a university
surface: Outer side
surgeon: He operates
teacher: She works in a school
temples: Gods are honored there
tension: Strain in a rope
theater: Plays are shown there
thunder: It follows lightning
tobacco: Pipes are filled with it
tonight: This evening
tornado: Whirling storm
torpedo: A submarine fires it
tourist: One who visits sights
tractor: It pulls the plow
traffic: Cars on the road
trainer: He coaches a team
trumpet: Brass instrument
unicorn: Horse with one horn
uniform: What soldiers wear
utensil: Tool for a kitchen
vaccine: It guards against a disease
vampire: He drinks blood
vanilla: Taste of pale ice cream
variety: Many different kinds
vehicle: Car or bus
venison: Meat of a deer
veteran: Old soldier
victory: Winning
village: Smaller than a town
vinegar: It is sour, and goes with oil
visitor: Guest in a museum
vitamin: Lemons have the one called C
volcano: Mountain that spits fire
voltage: It is measured across a battery
warrior: Fighter of old
weather: Sun, wind and rain
wedding: A couple says yes
western: Film with cowboys
whisper: Speak very softly
windows: You look through them
witness: He saw the crime
workers: They go to the factory
"""

CLUES: dict[str, str] = {word: clue for word, _, clue in (line.partition(": ") for line in _TEXT.strip().splitlines())}
"""A clue for each word, in small letters."""

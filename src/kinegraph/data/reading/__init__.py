"""What the readers of `kinegraph.data.formats` share. Each package imports only from those below it:

steps    from the clips that a reader gives to those that it returns: labels, people, what files do not state
tables   tables and arrays in any of their forms
joints   names and places of joints, lists of detected people
clips    clips and the facts about them, files as clips, conventions of published files
files    rows, numbers and values of kinds of files
"""

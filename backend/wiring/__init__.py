"""What each platform is made of; `backend.bootstrap` chooses one and puts the services over it."""
